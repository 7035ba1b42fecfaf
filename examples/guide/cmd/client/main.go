// Command client asks a server for a greeting and prints it: client [-server URL] NAME.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/google/uuid"
)

func main() {
	server := flag.String("server", "http://127.0.0.1:8080", "where the server listens")
	flag.Parse()
	name := flag.Arg(0)
	if name == "" {
		name = "world"
	}
	if err := greet(os.Stdout, *server, name); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func greet(w io.Writer, server, name string) error {
	res, err := http.Get(server + "/hello/" + url.PathEscape(name))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", server, res.Status)
	}
	if _, err := uuid.Parse(res.Header.Get("Request-Id")); err != nil {
		return fmt.Errorf("%s sent no request id: %w", server, err)
	}
	_, err = io.Copy(w, res.Body)
	return err
}
