package main

import (
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

func helm4(folder, kubernetes string) (*program, error) {
	version, err := common.ParseKubeVersion(kubernetes)
	if err != nil {
		return nil, err
	}
	source, err := loader.LoadDir(folder)
	if err != nil {
		return nil, err
	}
	files := []*archive.BufferedFile{}
	for _, file := range source.Raw {
		files = append(files, &archive.BufferedFile{Name: file.Name, Data: file.Data})
	}
	return &program{name: source.Name(), schema: source.Schema, prepare: func(ask request) (map[string]any, texts, error) {
		chart, err := loader.LoadFiles(files)
		if err != nil {
			return nil, nil, err
		}
		if err := chartutil.ProcessDependencies(chart, ask.Values); err != nil {
			return nil, nil, err
		}
		capabilities := common.DefaultCapabilities.Copy()
		capabilities.KubeVersion = *version
		if ask.Cluster != nil {
			capabilities.APIVersions = append(capabilities.APIVersions, ask.Cluster.APIVersions...)
		}
		options := common.ReleaseOptions{Name: ask.Release, Namespace: ask.Namespace, Revision: 1, IsInstall: true}
		values, err := util.ToRenderValuesWithSchemaValidation(chart, ask.Values, options, capabilities, true)
		if err != nil {
			return nil, nil, err
		}
		return values["Values"].(common.Values).AsMap(), func() (map[string]string, error) {
			if ask.Cluster != nil {
				return engine.RenderWithClientProvider(chart, values, ask.Cluster)
			}
			return engine.Render(chart, values)
		}, nil
	}}, nil
}
