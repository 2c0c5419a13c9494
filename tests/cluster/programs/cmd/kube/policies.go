package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// enforcePolicies holds this node's pods to the cluster's NetworkPolicies until a signal ends it. It is the policy
// controller of kube-router, which K3s has too, without kube-router's other parts.
func enforcePolicies(arguments []string) error {
	flags := flag.NewFlagSet("kube-policies", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "file of the user")
	config := options.NewKubeRouterConfig()
	flags.StringVar(&config.HostnameOverride, "node", "", "name of this node")
	services := flags.String("services", "", "range of the Services' addresses")
	_ = flags.Parse(arguments) // ends the program on a mistake
	config.ClusterIPCIDRs = []string{*services}
	config.EnableIPv4, config.EnableIPv6, config.RunFirewall = true, false, true

	rest, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}
	ended, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return runController(client, config, ended.Done())
}

func runController(client kubernetes.Interface, config *options.KubeRouterConfig, ended <-chan struct{}) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(ended)
	factory.WaitForCacheSync(ended)

	tables, sets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return fmt.Errorf("iptables or ipset: %w", err)
	}
	controller, err := netpol.NewNetworkPolicyController(
		client, config, pods, policies, namespaces, &sync.Mutex{}, tables, sets)
	if err != nil {
		return err
	}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods: controller.PodEventHandler, namespaces: controller.NamespaceEventHandler,
		policies: controller.NetworkPolicyEventHandler,
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	beats := make(chan *healthcheck.ControllerHeartbeat, 1)
	go drop(beats)
	var running sync.WaitGroup
	running.Add(1)
	controller.Run(beats, ended, &running)
	return nil
}

// drop takes the controller's signs of life, which nobody asks for, so that it never waits.
func drop(beats <-chan *healthcheck.ControllerHeartbeat) {
	for range beats {
	}
}
