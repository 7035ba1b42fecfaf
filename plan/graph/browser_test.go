package graph_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/plan/graph"
)

// visitor uses the page as a person does and writes what came of it into the page, one line a fact.
const visitor = `<script>
"use strict";
const said = [];
const at = (type, el, x, y, more) => el.dispatchEvent(new PointerEvent(type, {pointerId: 1, clientX: x, clientY: y, bubbles: true, ...more}));
const scale = () => +/scale\(([^)]*)\)/.exec(world.getAttribute("transform"))[1];
const click = el => { const r = el.getBoundingClientRect(); at("pointerdown", el, r.x + 5, r.y + 5); at("pointerup", el, r.x + 5, r.y + 5); };
said.push("dark " + matchMedia("(prefers-color-scheme: dark)").matches + " " + getComputedStyle(document.body).backgroundColor);
said.push("readable " + (scale() >= 0.6));
click(shapes[0]);
said.push("details " + !side.hidden + " " + side.querySelector("h2").textContent + " " + [...side.querySelectorAll("h3")].map(h => h.textContent).join(", "));
said.push("near " + document.querySelectorAll("#world .node.near").length);
side.querySelector("a").click();
said.push("followed " + side.querySelector("h2").textContent);
click(document.querySelector("#world .band"));
said.push("closed " + side.hidden);
const was = scale();
view.dispatchEvent(new WheelEvent("wheel", {deltaY: -200, clientX: 300, clientY: 300, cancelable: true}));
said.push("zoomed " + (scale() > was));
const before = world.getAttribute("transform");
at("pointerdown", view, 300, 300); at("pointermove", view, 340, 310); at("pointerup", view, 340, 310);
said.push("panned " + (world.getAttribute("transform") !== before));
document.getElementById("find").value = "cross linux/arm64"; find();
said.push("found " + document.querySelectorAll("#world .node.near").length);
document.getElementById("fit").click();
const w = world.getBoundingClientRect(), v = view.getBoundingClientRect();
said.push("fits " + (w.width <= v.width && w.height <= v.height));
document.body.insertAdjacentHTML("beforeend", "<pre id=said></pre>"); document.getElementById("said").textContent = "\n" + said.join("\n") + "\n";
</script></body>`

// TestBrowser uses the page in a real browser: a small plan, and one of 901 stages.
func TestBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		const need = "needs a browser: apt-get install -y chromium"
		if os.Getenv("XBUILD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal(need)
		}
		t.Skip(need)
	}
	small, err := graph.HTML(readPlan(t, "guide_auto"))
	if err != nil {
		t.Fatal(err)
	}
	big, err := graph.HTML(large())
	if err != nil {
		t.Fatal(err)
	}
	sections := "used by, and run once instead of 4 times, runs on, needed by, inputs, id"
	for _, c := range []struct {
		name, page string
		flag       string
		want       []string
	}{
		{"light", small, "--blink-settings=preferredColorScheme=1", []string{"dark false rgb(255, 255, 255)", "details true base reason, " + sections,
			"near 13", "followed build-client", "found 2"}},
		{"dark", small, "--blink-settings=preferredColorScheme=0", []string{"dark true rgb(13, 17, 23)"}},
		{"large", big, "--blink-settings=preferredColorScheme=1", []string{"near 601", "found 50"}},
	} {
		said := visit(t, chromium, c.flag, c.page)
		for _, w := range append(c.want, "readable true", "closed true", "zoomed true", "panned true", "fits true") {
			if !strings.Contains(said, "\n"+w+"\n") {
				t.Errorf("%s: the page does not say %q, but:%s", c.name, w, said)
			}
		}
	}
}

func visit(t *testing.T, chromium, flag, page string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "plan.html")
	if err := os.WriteFile(file, []byte(strings.Replace(page, "</body>", visitor, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--window-size=1400,900", "--virtual-time-budget=3000", flag, "--dump-dom", "file://"+file)
	cmd.WaitDelay = 5 * time.Second
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, errs.String())
	}
	_, said, ok := strings.Cut(string(out), `<pre id="said">`)
	if !ok {
		t.Fatalf("the page's script did not come to its end:\n%s", errs.String())
	}
	said, _, _ = strings.Cut(said, "</pre>")
	return "\n" + said
}
