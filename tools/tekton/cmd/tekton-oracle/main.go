// Command tekton-oracle answers what upstream's own functions say, so that another implementation can be compared.
//
// Each line of standard input is a JSON object, a question; each line of standard output its answer, `{"answer": ...}`
// or `{"error": "..."}`. The questions, told apart by "function":
//
//	replace   text, strings, arrays    -> text and items: substitution in a string and in a list's element
//	value     yaml                     -> type and value of a parameter, which is given as YAML
//	graph     tasks, done              -> parents of each task, and for each done-set the tasks that may start
//	template  template, step           -> the step merged with its template
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/reconciler/pipeline/dag"
	"github.com/tektoncd/pipeline/pkg/substitution"
	"sigs.k8s.io/yaml"
)

// question holds the fields of all functions; each uses its own.
type question struct {
	Function string              `json:"function"`
	Text     string              `json:"text"`
	Strings  map[string]string   `json:"strings"`
	Arrays   map[string][]string `json:"arrays"`
	YAML     string              `json:"yaml"`
	Tasks    v1.PipelineTaskList `json:"tasks"`
	Done     [][]string          `json:"done"`
	Template *v1.StepTemplate    `json:"template"`
	Step     v1.Step             `json:"step"`
}

type reply struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  string          `json:"error,omitempty"`
}

var functions = map[string]func(question) (any, error){
	"replace": replace, "value": value, "graph": graph, "template": template,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := answers.Encode(answer(lines.Bytes())); err != nil {
			fmt.Fprintln(os.Stderr, "tekton-oracle:", err)
			os.Exit(3)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "tekton-oracle:", err)
		os.Exit(2)
	}
}

func answer(line []byte) (told reply) {
	defer func() {
		if crash := recover(); crash != nil {
			told = reply{Error: fmt.Sprintf("crash: %v", crash)}
		}
	}()
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return reply{Error: "question: " + err.Error()}
	}
	function, known := functions[asked.Function]
	if !known {
		return reply{Error: "question: no function " + asked.Function}
	}
	result, err := function(asked)
	if err != nil {
		return reply{Error: err.Error()}
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Answer: encoded}
}

func replace(asked question) (any, error) {
	return map[string]any{
		"text":  substitution.ApplyReplacements(asked.Text, asked.Strings),
		"items": append([]string{}, substitution.ApplyArrayReplacements(asked.Text, asked.Strings, asked.Arrays)...),
	}, nil
}

func value(asked question) (any, error) {
	var found v1.Param
	if err := yaml.Unmarshal([]byte(asked.YAML), &found); err != nil {
		return nil, err
	}
	return map[string]any{"type": found.Value.Type, "value": found.Value}, nil
}

func graph(asked question) (any, error) {
	built, err := dag.Build(asked.Tasks, asked.Tasks.Deps())
	if err != nil {
		return nil, err
	}
	parents := map[string][]string{}
	for name, node := range built.Nodes {
		parents[name] = []string{}
		for _, parent := range node.Prev {
			parents[name] = append(parents[name], parent.Key)
		}
		slices.Sort(parents[name])
	}
	candidates := [][]string{}
	for _, done := range asked.Done {
		found, err := dag.GetCandidateTasks(built, done...)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, found.List())
	}
	return map[string]any{"parents": parents, "candidates": candidates}, nil
}

func template(asked question) (any, error) {
	merged, err := v1.MergeStepsWithStepTemplate(asked.Template, []v1.Step{asked.Step})
	if err != nil {
		return nil, err
	}
	return merged[0], nil
}
