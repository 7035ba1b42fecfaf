package dockerfile

// node is JavaScript made by a bundler or compiler: the same text for every platform.
var node = Recipe{
	Code: "node", Name: "Node",
	Commands: []string{"npm", "npx", "yarn", "pnpm", "bun", "node", "vite", "webpack", "tsc", "esbuild", "corepack", "lerna", "nx", "turbo"},
	Vouch:    VouchNative, If: "what is taken from the stage holds no package with native code",
}
