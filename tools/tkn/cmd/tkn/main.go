// tkn from the maintainers' own packages. Their root command also links tektoncd/hub, which the Go module
// proxy does not serve, so the commands are put together here; where a machine has tkn, that one is used.
package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/tektoncd/cli/pkg/cli"
	"github.com/tektoncd/cli/pkg/cmd/bundle"
	"github.com/tektoncd/cli/pkg/cmd/clustertriggerbinding"
	"github.com/tektoncd/cli/pkg/cmd/customrun"
	"github.com/tektoncd/cli/pkg/cmd/eventlistener"
	"github.com/tektoncd/cli/pkg/cmd/pipeline"
	"github.com/tektoncd/cli/pkg/cmd/pipelinerun"
	"github.com/tektoncd/cli/pkg/cmd/task"
	"github.com/tektoncd/cli/pkg/cmd/taskrun"
	"github.com/tektoncd/cli/pkg/cmd/triggerbinding"
	"github.com/tektoncd/cli/pkg/cmd/triggertemplate"
	"github.com/tektoncd/cli/pkg/cmd/version"
)

func main() {
	// Libraries register flags of their own on the global set; tkn's commands must not show them.
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
	params := &cli.TektonParams{}
	root := &cobra.Command{Use: "tkn", Short: "CLI for Tekton pipelines", SilenceUsage: true}
	root.AddCommand(
		bundle.Command(params),
		clustertriggerbinding.Command(params),
		customrun.Command(params),
		eventlistener.Command(params),
		pipeline.Command(params),
		pipelinerun.Command(params),
		task.Command(params),
		taskrun.Command(params),
		triggerbinding.Command(params),
		triggertemplate.Command(params),
		version.Command(params),
	)
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}
