package compose

import (
	"context"
	"errors"
	"fmt"

	"github.com/compose-spec/compose-go/v2/loader"
)

// errElsewhere is the end of errors about files that a compose file from elsewhere names.
var errElsewhere = errors.New("the compose file is not on this machine, and must not read files of it")

// refuseFiles keeps compose-go from reading further files.
func refuseFiles(o *loader.Options) {
	r := &refuser{}
	o.ResourceLoaders = append(o.ResourceLoaders, r)
	o.Listeners = append(o.Listeners, r.event)
}

// refuser is a loader of files that loads none. compose-go also asks its loaders whether paths of contexts are theirs, so
// it accepts only what comes after the report that a file will be read.
type refuser struct{ reads bool }

func (r *refuser) event(event string, metadata map[string]any) {
	r.reads = r.reads || event == "include" || event == "extends" && metadata["file"] != nil
}

// Accept reports whether the path is of a file that would be read.
func (r *refuser) Accept(string) bool { return r.reads }

// Load refuses.
func (r *refuser) Load(_ context.Context, path string) (string, error) {
	return "", fmt.Errorf("%s cannot be read: %w", path, errElsewhere)
}

// Dir is not asked for, since nothing is loaded.
func (r *refuser) Dir(string) string { return "" }

// checkEnvFiles refuses environment files of services.
func checkEnvFiles(model map[string]any) error {
	services, _ := model["services"].(map[string]any)
	for name, s := range services {
		if part, _ := s.(map[string]any); part["env_file"] != nil {
			return &pathError{[]string{"services", name, "env_file"}, "services." + name + ".env_file cannot be read: " + errElsewhere.Error()}
		}
	}
	return nil
}
