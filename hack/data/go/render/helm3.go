package main

import (
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

func helm3(folder, kubernetes string) (*program, error) {
	version, err := chartutil.ParseKubeVersion(kubernetes)
	if err != nil {
		return nil, err
	}
	source, err := loader.LoadDir(folder)
	if err != nil {
		return nil, err
	}
	files := []*loader.BufferedFile{}
	for _, file := range source.Raw {
		files = append(files, &loader.BufferedFile{Name: file.Name, Data: file.Data})
	}
	return &program{name: source.Name(), schema: source.Schema, prepare: func(ask request) (map[string]any, texts, error) {
		chart, err := loader.LoadFiles(files)
		if err != nil {
			return nil, nil, err
		}
		if err := chartutil.ProcessDependencies(chart, ask.Values); err != nil {
			return nil, nil, err
		}
		capabilities := chartutil.DefaultCapabilities.Copy()
		capabilities.KubeVersion = *version
		if ask.Cluster != nil {
			capabilities.APIVersions = append(capabilities.APIVersions, ask.Cluster.APIVersions...)
		}
		options := chartutil.ReleaseOptions{Name: ask.Release, Namespace: ask.Namespace, Revision: 1, IsInstall: true}
		values, err := chartutil.ToRenderValuesWithSchemaValidation(chart, ask.Values, options, capabilities, true)
		if err != nil {
			return nil, nil, err
		}
		return values["Values"].(chartutil.Values).AsMap(), func() (map[string]string, error) {
			if ask.Cluster != nil {
				return engine.RenderWithClientProvider(chart, values, ask.Cluster)
			}
			return engine.Render(chart, values)
		}, nil
	}}, nil
}
