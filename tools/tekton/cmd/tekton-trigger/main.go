// Command tekton-trigger tells what an EventListener would do with HTTP requests, by upstream's own sink and
// interceptors; only Kubernetes is a stand-in.
//
//	tekton-trigger NAMESPACE/EVENTLISTENER FILE... < requests.json
//
// The files hold the EventListener, its Triggers, TriggerBindings and TriggerTemplates, and Secrets; those without a
// namespace are of NAMESPACE. Each is decoded strictly and judged by upstream's Validate first. Standard input is a
// JSON list of {"headers": {"Name": "value"}, "body": "text"}; standard output a JSON list with, for each request, the
// status, what was created, and what the EventListener said. Exit code 1 if an object is wrong.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"github.com/tektoncd/triggers/pkg/apis/triggers/contexts"
	"github.com/tektoncd/triggers/pkg/apis/triggers/v1alpha1"
	"github.com/tektoncd/triggers/pkg/apis/triggers/v1beta1"
	listersalpha "github.com/tektoncd/triggers/pkg/client/listers/triggers/v1alpha1"
	listers "github.com/tektoncd/triggers/pkg/client/listers/triggers/v1beta1"
	"github.com/tektoncd/triggers/pkg/interceptors/server"
	"github.com/tektoncd/triggers/pkg/sink"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	discoveryfake "k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"knative.dev/pkg/apis"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

type request struct {
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

type outcome struct {
	Status  int              `json:"status"`
	Created []map[string]any `json:"created"`
	Said    []string         `json:"said"`
}

// world is what the sink sees of a cluster, by kind.
type world struct {
	namespace string
	objects   map[string]cache.Indexer
	secrets   map[string]map[string][]byte
}

var pipelineRuns = schema.GroupVersionResource{Group: "tekton.dev", Version: "v1", Resource: "pipelineruns"}

// object is what every type that is read is to the webhook.
type object interface {
	apis.Defaultable
	apis.Validatable
	metav1.Object
}

// kinds holds a constructor for each type that is read.
var kinds = map[string]func() object{
	"EventListener":   func() object { return &v1beta1.EventListener{} },
	"Trigger":         func() object { return &v1beta1.Trigger{} },
	"TriggerBinding":  func() object { return &v1beta1.TriggerBinding{} },
	"TriggerTemplate": func() object { return &v1beta1.TriggerTemplate{} },
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tekton-trigger:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 || !strings.Contains(arguments[0], "/") {
		return errors.New("give the EventListener as NAMESPACE/NAME, and the files that hold it")
	}
	namespace, listener, _ := strings.Cut(arguments[0], "/")
	var requests []request
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	seen, err := read(namespace, arguments[1:])
	if err != nil {
		return err
	}
	outcomes, err := seen.answer(listener, requests)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(outcomes)
}

// read decodes and judges every object of the files; kinds that an EventListener does not read are left out.
func read(namespace string, files []string) (*world, error) {
	found := &world{namespace: namespace, objects: map[string]cache.Indexer{}, secrets: map[string]map[string][]byte{}}
	for _, kind := range []string{"EventListener", "Trigger", "TriggerBinding", "TriggerTemplate", "None"} {
		byNamespace := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
		found.objects[kind] = cache.NewIndexer(cache.MetaNamespaceKeyFunc, byNamespace)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		reader := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for {
			document, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = found.add(document)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return found, nil
}

func (w *world) add(document []byte) error {
	content, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	var of metav1.TypeMeta
	if err := json.Unmarshal(content, &of); err != nil {
		return err
	}
	if of.Kind == "Secret" {
		var secret corev1.Secret
		if err := json.Unmarshal(content, &secret); err != nil {
			return err
		}
		w.secrets[secret.Name] = secret.Data
		return nil
	}
	construct, known := kinds[of.Kind]
	if !known || !strings.HasPrefix(of.APIVersion, "triggers.tekton.dev/") {
		return nil
	}
	subject := construct()
	strict, err := kjson.UnmarshalStrict(content, subject)
	if err = errors.Join(append(strict, err)...); err != nil {
		return fmt.Errorf("%s: %w", of.Kind, err)
	}
	if subject.GetNamespace() == "" {
		subject.SetNamespace(w.namespace)
	}
	subject.SetDefaults(contexts.WithUpgradeViaDefaulting(context.Background()))
	if wrong := subject.Validate(apis.WithinCreate(context.Background())); wrong != nil {
		return fmt.Errorf("%s/%s: %w", of.Kind, subject.GetName(), wrong)
	}
	return w.objects[of.Kind].Add(subject)
}

// Get makes a world the interceptors' way to secrets.
func (w *world) Get(_ context.Context, _ string, of *v1beta1.SecretRef) ([]byte, error) {
	value, found := w.secrets[of.SecretName][of.SecretKey]
	if !found {
		return nil, fmt.Errorf("no secret %s with key %s", of.SecretName, of.SecretKey)
	}
	return value, nil
}

// answer gives the requests to the sink, one after the other.
func (w *world) answer(listener string, requests []request) ([]outcome, error) {
	core, err := server.NewWithCoreInterceptors(w, zap.NewNop().Sugar())
	if err != nil {
		return nil, err
	}
	serving := httptest.NewServer(core)
	defer serving.Close()
	byName := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for _, name := range []string{"bitbucket", "cel", "github", "gitlab", "slack"} {
		url, err := apis.ParseURL(serving.URL + "/" + name)
		if err != nil {
			return nil, err
		}
		interceptor := &v1alpha1.ClusterInterceptor{ObjectMeta: metav1.ObjectMeta{Name: name}}
		interceptor.Spec.ClientConfig.URL = url
		if err := byName.Add(interceptor); err != nil {
			return nil, err
		}
	}
	recorder, err := sink.NewRecorder()
	if err != nil {
		return nil, err
	}
	discovery := &discoveryfake.FakeDiscovery{Fake: &clienttesting.Fake{}}
	discovery.Resources = []*metav1.APIResourceList{{
		GroupVersion: pipelineRuns.GroupVersion().String(),
		APIResources: []metav1.APIResource{{Name: pipelineRuns.Resource, Kind: "PipelineRun", Namespaced: true}},
	}}
	lists := map[schema.GroupVersionResource]string{pipelineRuns: "PipelineRunList"}
	cluster := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists)
	events, said := observer.New(zap.DebugLevel)
	under := sink.Sink{
		DiscoveryClient: discovery, DynamicClient: cluster, HTTPClient: serving.Client(),
		EventListenerName: listener, EventListenerNamespace: w.namespace,
		Logger: zap.New(events).Sugar(), Recorder: recorder, PayloadValidation: true,
		WGProcessTriggers:           &sync.WaitGroup{},
		EventListenerLister:         listers.NewEventListenerLister(w.objects["EventListener"]),
		TriggerLister:               listers.NewTriggerLister(w.objects["Trigger"]),
		TriggerBindingLister:        listers.NewTriggerBindingLister(w.objects["TriggerBinding"]),
		TriggerTemplateLister:       listers.NewTriggerTemplateLister(w.objects["TriggerTemplate"]),
		ClusterTriggerBindingLister: listers.NewClusterTriggerBindingLister(w.objects["None"]),
		ClusterInterceptorLister:    listersalpha.NewClusterInterceptorLister(byName),
		InterceptorLister:           listersalpha.NewInterceptorLister(w.objects["None"]),
	}
	var outcomes []outcome
	for _, asked := range requests {
		event := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(asked.Body))
		for name, value := range asked.Headers {
			event.Header.Set(name, value)
		}
		cluster.ClearActions()
		answer := httptest.NewRecorder()
		under.IsValidPayload(http.HandlerFunc(under.HandleEvent)).ServeHTTP(answer, event)
		under.WGProcessTriggers.Wait()
		outcomes = append(outcomes, outcome{
			Status: answer.Code, Created: created(cluster.Actions()), Said: messages(said.TakeAll()),
		})
	}
	return outcomes, nil
}

func created(actions []clienttesting.Action) []map[string]any {
	objects := []map[string]any{}
	for _, action := range actions {
		if create, ok := action.(clienttesting.CreateAction); ok {
			objects = append(objects, create.GetObject().(*unstructured.Unstructured).Object)
		}
	}
	return objects
}

func messages(entries []observer.LoggedEntry) []string {
	texts := []string{}
	for _, entry := range entries {
		texts = append(texts, entry.Message)
	}
	return texts
}
