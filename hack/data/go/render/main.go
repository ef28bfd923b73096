// Renders a chart many times in one process, with the engine of Helm 4 or Helm 3: starting helm costs more than rendering.
// in:  one JSON object a line {values, release, namespace, cluster: null | {objects: [...], apiVersions: [...]}}
// out: one JSON object a line {error} or {objects, notes}
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

const schemaURL = "file:///values.schema.json"

// program is a chart in one version of Helm: helm4.go, helm3.go.
type program struct {
	name   string
	schema []byte
	// Rendering changes a chart's values and dependencies, so each render has a chart of its own.
	prepare func(request) (map[string]any, texts, error)
}

// texts are what the templates make, by their names.
type texts func() (map[string]string, error)

type request struct {
	Values    map[string]any
	Release   string
	Namespace string
	Cluster   *cluster
}

type answer struct {
	Error   string            `json:"error,omitempty"`
	Objects []json.RawMessage `json:"objects,omitempty"`
	Notes   string            `json:"notes,omitempty"`
}

// cluster answers the templates' lookups, as an API server with these objects and API versions would.
type cluster struct {
	Objects     []unstructured.Unstructured
	APIVersions []string
}

type kind struct {
	dynamic.NamespaceableResourceInterface
	objects []unstructured.Unstructured
}

func (c *cluster) GetClientFor(apiVersion, name string) (dynamic.NamespaceableResourceInterface, bool, error) {
	found := &kind{}
	for _, object := range c.Objects {
		if object.GetAPIVersion() == apiVersion && object.GetKind() == name {
			found.objects = append(found.objects, object)
		}
	}
	return found, true, nil
}

func (k *kind) Namespace(namespace string) dynamic.ResourceInterface {
	within := &kind{}
	for _, object := range k.objects {
		if object.GetNamespace() == namespace {
			within.objects = append(within.objects, object)
		}
	}
	return within
}

func (k *kind) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	for _, object := range k.objects {
		if object.GetName() == name {
			return &object, nil
		}
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{}, name)
}

func (k *kind) List(context.Context, metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	return &unstructured.UnstructuredList{Object: map[string]any{"kind": "List"}, Items: k.objects}, nil
}

// compiled is values.schema.json, compiled once: Helm compiles it for each render, which takes longer than the rest.
func compiled(text []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return nil, err
	}
	return compiler.Compile(schemaURL)
}

func render(program *program, schema *jsonschema.Schema, ask request) (result answer, err error) {
	values, run, err := program.prepare(ask)
	if err != nil {
		return result, err
	}
	if err := schema.Validate(values); err != nil {
		_, lines, _ := strings.Cut(err.Error(), "\n")
		return result, fmt.Errorf("values don't meet the specifications of the schema(s) in the following chart(s):\n%s:\n%s\n", program.name, lines)
	}
	made, err := run()
	if err != nil {
		return result, err
	}
	names := make([]string, 0, len(made))
	for name := range made {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if strings.HasSuffix(name, "NOTES.txt") {
			result.Notes += made[name]
			continue
		}
		if strings.HasPrefix(filepath.Base(name), "_") {
			continue
		}
		documents := releaseutil.SplitManifests(made[name])
		keys := make([]string, 0, len(documents))
		for key := range documents {
			keys = append(keys, key)
		}
		sort.Sort(releaseutil.BySplitManifestsOrder(keys))
		for _, key := range keys {
			// Strict: a key that is written twice is an error.
			object, err := yaml.YAMLToJSONStrict([]byte(documents[key]))
			if err != nil {
				return result, fmt.Errorf("YAML parse error on %s: %w", name, err)
			}
			if !bytes.Equal(object, []byte("null")) {
				result.Objects = append(result.Objects, object)
			}
		}
	}
	return result, nil
}

func run() error {
	engines := map[string]func(string, string) (*program, error){"helm": helm4, "helm3": helm3}
	if len(os.Args) != 4 || engines[os.Args[1]] == nil {
		return errors.New("usage: render helm|helm3 <chart> <kubernetes version>")
	}
	program, err := engines[os.Args[1]](os.Args[2], os.Args[3])
	if err != nil {
		return err
	}
	schema, err := compiled(program.schema)
	if err != nil {
		return err
	}
	input, output := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		ask := request{Release: "demo", Namespace: "default"}
		if err := json.Unmarshal(line, &ask); err != nil {
			return err
		}
		result, err := render(program, schema, ask)
		if err != nil {
			result = answer{Error: err.Error()}
		}
		if err := output.Encode(result); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}
