// Command tekton-validate checks Tekton YAML as a cluster's admission webhook would: decoded strictly, completed by
// upstream's SetDefaults, judged by upstream's Validate, with the feature flags that Tekton ships.
//
//	tekton-validate FILE_OR_FOLDER...
//
// One line an object: "file: Kind/name: ok", or what is wrong and where. Exit code 1 if anything is wrong, 2 if there
// is nothing to check. Objects of other API groups are left out.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	v1beta1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"knative.dev/pkg/apis"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const tektonGroup = "tekton.dev/"

// object is what every Tekton type is to the webhook.
type object interface {
	apis.Defaultable
	apis.Validatable
	metav1.Object
}

// kinds holds a constructor for each type that can be checked, by apiVersion and kind.
var kinds = map[string]func() object{
	"tekton.dev/v1/Task":            func() object { return &v1.Task{} },
	"tekton.dev/v1/TaskRun":         func() object { return &v1.TaskRun{} },
	"tekton.dev/v1/Pipeline":        func() object { return &v1.Pipeline{} },
	"tekton.dev/v1/PipelineRun":     func() object { return &v1.PipelineRun{} },
	"tekton.dev/v1beta1/StepAction": func() object { return &v1beta1.StepAction{} },
}

func main() {
	files, err := yamlFiles(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "tekton-validate:", err)
		os.Exit(2)
	}
	checked, wrong := 0, 0
	for _, file := range files {
		documents, err := split(file)
		if err != nil {
			fmt.Printf("%s: %v\n", file, err)
			checked, wrong = checked+1, wrong+1
			continue
		}
		for _, document := range documents {
			name, isTekton, err := check(document)
			if !isTekton {
				continue
			}
			checked++
			if err == nil {
				fmt.Printf("%s: %s: ok\n", file, name)
				continue
			}
			wrong++
			fmt.Printf("%s: %s: %s\n", file, name, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	switch {
	case checked == 0:
		fmt.Fprintln(os.Stderr, "tekton-validate: found no Tekton object; name files or folders that hold one")
		os.Exit(2)
	case wrong > 0:
		fmt.Fprintf(os.Stderr, "tekton-validate: %d of %d objects are wrong\n", wrong, checked)
		os.Exit(1)
	}
}

// yamlFiles lists the given files, and the *.yaml files below the given folders.
func yamlFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		err := filepath.WalkDir(path, func(found string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !entry.IsDir() && (found == path || filepath.Ext(found) == ".yaml") {
				files = append(files, found)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// split returns a file's YAML documents.
func split(file string) ([][]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var documents [][]byte
	reader := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// check judges one document: its kind and name, whether it is one of Tekton's, and what is wrong with it.
func check(document []byte) (name string, isTekton bool, err error) {
	content, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return "document", true, err
	}
	var of metav1.TypeMeta
	if kjson.UnmarshalCaseSensitivePreserveInts(content, &of) != nil || !strings.HasPrefix(of.APIVersion, tektonGroup) {
		return "", false, nil
	}
	construct, known := kinds[of.APIVersion+"/"+of.Kind]
	if !known {
		return of.Kind, true, fmt.Errorf("apiVersion %s, kind %s: not one of those that can be checked", of.APIVersion, of.Kind)
	}
	subject := construct()
	strict, err := kjson.UnmarshalStrict(content, subject)
	name = of.Kind + "/" + subject.GetName() + subject.GetGenerateName()
	if err == nil {
		err = errors.Join(strict...)
	}
	if err != nil {
		return name, true, err
	}
	return name, true, judge(subject)
}

// judge runs upstream's defaulting and validation, which some objects crash: a cluster does not take those either.
func judge(subject object) (err error) {
	defer func() {
		if crash := recover(); crash != nil {
			err = fmt.Errorf("upstream's validation crashes on it (%v), and so does a cluster's webhook", crash)
		}
	}()
	ctx := apis.WithinCreate(context.Background())
	subject.SetDefaults(ctx)
	if found := subject.Validate(ctx).Filter(apis.ErrorLevel); found != nil {
		return found
	}
	return nil
}
