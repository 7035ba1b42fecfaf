package dockerfile

// static is a site made from texts: the same for every platform.
var static = Recipe{
	Code: "static", Name: "a static site",
	Commands: []string{"hugo", "mkdocs", "sphinx-build", "jekyll", "gatsby", "mdbook", "pandoc", "asciidoctor", "zola", "elm"},
	Vouch:    VouchNative, If: "what is taken from the stage is pages only",
}
