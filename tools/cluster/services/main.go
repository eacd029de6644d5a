// Services is what a node of a real cluster runs for its pods, in one binary: `services dns -conf COREFILE` is CoreDNS with the
// plugins that a cluster's names need; `services network-policies NODE` decides by NetworkPolicy objects about the first
// packet of each connection that the kernel puts into queue 100.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

const usage = "usage: services dns -conf COREFILE | network-policies NODE"

func main() {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "dns":
		os.Args = os.Args[1:]
		coremain.Run()
	case len(os.Args) == 3 && os.Args[1] == "network-policies":
		err = networkPolicies(os.Args[2])
	default:
		err = errors.New(usage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		os.Exit(1)
	}
}

// networkPolicies is kube-network-policies without the alpha kinds of policies. The rule that fills the queue is the node's:
// nftables' own queue statement is not in every kernel.
func networkPolicies(node string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		factory.Networking().V1().NetworkPolicies(),
		factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(),
		nil, nil, nil, nil,
		networkpolicy.Config{NodeName: node},
	)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}
