package dockerfile

// rustTarget is Rust's name of a target with glibc.
const rustTarget = `${replace(replace(platform.triple, "-linux", "-unknown-linux"), "arm-", "armv7-")}`

// rustTool is a stage that only makes a tool of the build, or a list for it.
var rustTool = Recipe{
	Code: "rust", Name: "a tool of the Rust build",
	Commands: []string{"cargo install", "cargo chef prepare"}, Unless: []string{"cargo build", "cargo chef cook", "rustc"},
	Vouch: VouchNative, If: "what is built there is only used by the build itself",
}

// rust: cargo puts the results of another target into a folder of its own, so a link leads there from where COPY looks.
var rust = Recipe{
	Code: "rust", Name: "Rust",
	Commands: []string{"cargo", "rustc"}, Unless: []string{"cargo install"},
	Vouch: VouchFork, If: "no crate needs a C library but the standard one, and target/ is no cache mount",
	Tools: map[string]Tools{
		"debian": {
			Env: [][2]string{
				{"CARGO_BUILD_TARGET", `"` + rustTarget + `"`},
				// Of these, cargo reads that of the target. RUSTFLAGS would replace the flags of the project's own configuration.
				{"CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", `"x86_64-linux-gnu-gcc"`},
				{"CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", `"aarch64-linux-gnu-gcc"`},
				{"CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER", `"arm-linux-gnueabihf-gcc"`},
				{"CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER", `"riscv64-linux-gnu-gcc"`},
				{"CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER", `"s390x-linux-gnu-gcc"`},
				{"CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU_LINKER", `"powerpc64le-linux-gnu-gcc"`},
			},
			RunBefore: []string{
				`"command -v ${platform.triple}-gcc || { apt-get update && apt-get install -y gcc-${replace(platform.triple, "_", "-")}; }"`,
				`"rustup target add $CARGO_BUILD_TARGET"`,
				`"mkdir -p target/$CARGO_BUILD_TARGET/release && ln -sfn $CARGO_BUILD_TARGET/release target/release"`,
			},
		},
	},
}
