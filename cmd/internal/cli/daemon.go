package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/exec/embedded"
)

func (a *app) daemonCommand() *cobra.Command {
	c := &cobra.Command{Use: "daemon", Short: "Look after the BuildKit inside xbuild", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	simple := func(use, short string, run func(context.Context, embedded.Config) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			if err := run(c.Context(), embedded.DefaultConfig(a.getenv)); err != nil {
				return &exitError{ExitFailed, err}
			}
			return nil
		}}
	}
	c.AddCommand(
		simple("status", "Say whether it runs, and where it keeps its data", func(ctx context.Context, cfg embedded.Config) error {
			st, err := embedded.Status(ctx, cfg)
			if err == nil {
				fmt.Fprint(a.out, st.String())
			}
			return err
		}),
		simple("stop", "Stop it", embedded.Stop),
		simple("logs", "Print what it has to say", a.daemonLogs),
		a.daemonUsage(),
		a.daemonPrune(),
	)
	return c
}

// daemonLogs prints the log, the older part first.
func (a *app) daemonLogs(ctx context.Context, cfg embedded.Config) error {
	st, err := embedded.Status(ctx, cfg)
	if err != nil {
		return err
	}
	found := false
	for _, p := range []string{st.Log + ".1", st.Log} {
		f, err := os.Open(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("the log %s cannot be read: %w", p, errText(err))
		}
		found = true
		err = copyLines(a.out, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("there is no log yet: %s", st.Log)
	}
	return nil
}

// copyLines copies text line by line, as a printable.Writer wants it.
func copyLines(w io.Writer, r io.Reader) error {
	for br := bufio.NewReader(r); ; {
		line, err := br.ReadString('\n')
		if _, werr := io.WriteString(w, line); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// withDaemon starts the BuildKit inside xbuild if it does not run, and connects to it.
func (a *app) withDaemon(ctx context.Context, do func(*buildkit.Backend) error) error {
	cfg := embedded.DefaultConfig(a.getenv)
	addr, err := embedded.Ensure(ctx, cfg)
	if err != nil {
		return &exitError{ExitUnreachable, err}
	}
	b, err := buildkit.Dial(ctx, addr, buildkit.DialOptions{Name: "embedded", OwnStore: ownStore(cfg)})
	if err != nil {
		return err
	}
	defer b.Close()
	return do(b)
}

func (a *app) daemonUsage() *cobra.Command {
	var format string
	c := &cobra.Command{Use: "du", Short: "List what it keeps on disk", Args: cobra.NoArgs}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if format != "text" && format != "json" {
			return &exitError{ExitUsage, fmt.Errorf("--format %s: want text or json", format)}
		}
		return a.withDaemon(c.Context(), func(b *buildkit.Backend) error {
			entries, err := b.DiskUsage(c.Context())
			if err != nil {
				return &exitError{ExitFailed, err}
			}
			return a.showEntries(entries, format, "in all")
		})
	}
	return c
}

func (a *app) daemonPrune() *cobra.Command {
	var opt buildkit.PruneOptions
	var keep, format string
	c := &cobra.Command{Use: "prune", Short: "Remove what it keeps on disk and nothing uses", Args: cobra.NoArgs}
	c.Flags().BoolVar(&opt.All, "all", false, "remove internal images too, such as those of frontends")
	c.Flags().StringVar(&keep, "keep", "", "keep up to this size, such as 5GB, of what was used last")
	c.Flags().DurationVar(&opt.Unused, "unused", 0, "keep what was used within this time, such as 24h")
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if format != "text" && format != "json" {
			return &exitError{ExitUsage, fmt.Errorf("--format %s: want text or json", format)}
		}
		if keep != "" {
			n, err := units.FromHumanSize(keep)
			if err != nil || n < 0 {
				return &exitError{ExitUsage, fmt.Errorf("--keep %s: want a size such as 500MB or 5GB", keep)}
			}
			opt.Keep = n
		}
		if opt.Unused < 0 {
			return &exitError{ExitUsage, fmt.Errorf("--unused %s: want a positive time", opt.Unused)}
		}
		return a.withDaemon(c.Context(), func(b *buildkit.Backend) error {
			entries, err := b.Prune(c.Context(), opt)
			if err != nil {
				return &exitError{ExitFailed, err}
			}
			return a.showEntries(entries, format, "freed")
		})
	}
	return c
}

// showEntries prints entries of the store and their size in all.
func (a *app) showEntries(entries []buildkit.StoreEntry, format, total string) error {
	if format == "json" {
		if entries == nil {
			entries = []buildkit.StoreEntry{}
		}
		text, err := json.MarshalIndent(entries, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s\n", text)
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	var sum int64
	for i, e := range entries {
		if i == 0 {
			fmt.Fprintln(w, "SIZE\tKIND\tUSED\tWHAT")
		}
		used := "-"
		if !e.LastUsed.IsZero() {
			used = units.HumanDuration(time.Since(e.LastUsed)) + " ago"
		}
		what := strings.Join(strings.Fields(e.Description), " ")
		if r := []rune(what); len(r) > 60 {
			what = string(r[:59]) + "…"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", units.HumanSize(float64(e.Size)), e.Kind, used, what)
		sum += e.Size
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s: %s\n", total, units.HumanSize(float64(sum)))
	return nil
}
