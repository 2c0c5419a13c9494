// Package tool holds what two of the commands share.
package tool

import (
	"os"

	"helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
)

// Helm runs Helm with the arguments of this process. Helm prints its own errors in full.
func Helm() error {
	kube.ManagedFieldsManager = "helm"
	root, err := cmd.NewRootCmd(os.Stdout, os.Args[1:], cmd.SetupLogging)
	if err != nil {
		return err
	}
	return root.Execute()
}
