// Command server greets over HTTP: GET /hello/NAME answers with a greeting, GET /healthz with "ok".
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
)

func main() {
	addr := os.Getenv("ADDR")
	if addr == "" {
		addr = "127.0.0.1:8080"
	}
	log.Printf("server on %s/%s listens on %s", runtime.GOOS, runtime.GOARCH, addr)
	log.Fatal(http.ListenAndServe(addr, handler()))
}

func handler() http.Handler {
	r := chi.NewRouter()
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	r.Get("/hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", uuid.NewString())
		fmt.Fprintf(w, "hello, %s, from %s/%s\n", chi.URLParam(r, "name"), runtime.GOOS, runtime.GOARCH)
	})
	return r
}
