// Command kube is one Kubernetes release in one file: it acts as the program whose name it is called by.
// One program links and compiles what eight would share only once.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"genai-xapp/tests/cluster/programs/tool"
)

func exitCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return 0
}

func cobraProgram(command func() *cobra.Command) func() int {
	return func() int { return cli.Run(command()) }
}

var programs = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          cobraProgram(apiserver.NewAPIServerCommand),
	"kube-controller-manager": cobraProgram(controllers.NewControllerManagerCommand),
	"kube-scheduler":          cobraProgram(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              cobraProgram(proxy.NewProxyCommand),
	"kubelet":                 cobraProgram(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"kubectl":                 func() int { return exitCode(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand())) },
	"helm":                    func() int { return exitCode(tool.Helm()) },
	"kube-policies":           func() int { return exitCode(enforcePolicies(os.Args[1:])) },
}

func names() string {
	found := make([]string, 0, len(programs))
	for name := range programs {
		found = append(found, name)
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

func main() {
	run, known := programs[filepath.Base(os.Args[0])]
	if !known {
		fmt.Fprintln(os.Stderr, "kube: call it by a link of one of these names:", names())
		os.Exit(2)
	}
	os.Exit(run())
}
