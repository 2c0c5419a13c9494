// Command helm is Helm itself, built from its module: a machine need not have it installed.
package main

import (
	"fmt"
	"os"

	"genai-xapp/tests/cluster/programs/tool"
)

func main() {
	if err := tool.Helm(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
