// Renders the templates of a chart as Helm does, for checks where Helm is not to be had: Go's own templates with sprig's functions,
// and of what Helm adds to them toJson, which is all that the chart uses. An unknown value or function is an error.
//
//	render CHART VALUES.json RELEASE
//
// Prints a JSON object of texts by the names of their templates.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/Masterminds/sprig"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	chart, valuesPath, release := os.Args[1], os.Args[2], os.Args[3]
	text, err := os.ReadFile(valuesPath)
	check(err)
	var values map[string]interface{}
	check(json.Unmarshal(text, &values))
	functions := sprig.TxtFuncMap()
	// Helm takes these two away: a chart must not read its machine's environment.
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toJson"] = func(value interface{}) (string, error) {
		out, err := json.Marshal(value)
		return string(out), err
	}
	scope := map[string]interface{}{
		"Values":  values,
		"Release": map[string]interface{}{"Name": release, "Namespace": "default", "Service": "Helm"},
	}
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*.yaml"))
	check(err)
	rendered := map[string]string{}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		check(err)
		parsed, err := template.New(filepath.Base(path)).Option("missingkey=error").Funcs(functions).Parse(string(source))
		check(err)
		var out bytes.Buffer
		check(parsed.Execute(&out, scope))
		rendered[filepath.Base(path)] = out.String()
	}
	check(json.NewEncoder(os.Stdout).Encode(rendered))
}
