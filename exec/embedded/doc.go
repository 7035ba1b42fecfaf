// Package embedded is the private BuildKit inside the xbuild program. Nothing has to be installed, started or
// configured to build: the program runs itself once more as a daemon, and the daemon ends when nobody calls it.
//
// In: a [Config] (where things are kept, how long to stay), this process's PATH and proxy variables, an OCI runtime
// (buildkit-runc or runc) on that PATH, and an optional registry configuration file. Out: the address of a BuildKit
// control socket that answers, "unix:///...", for any BuildKit client. Start with [Ensure]; [Status] and [Stop] look
// after the daemon; [Main] is the daemon itself, and a program that calls Ensure must call Main, before anything else,
// when its first argument is [Command].
//
// # Promises
//
//   - However many clients call Ensure at once, one daemon is started for one state folder, and all of them get it.
//   - Ensure returns when the daemon has answered a call. A daemon that cannot start gives its reason to the Ensure
//     that started it, as one error.
//   - A daemon of another xbuild version is used as it is, as long as it speaks the same protocol: the version of the
//     protocol is part of the socket's name, that of the store's format part of the root's. One of another protocol is asked
//     to let go of a store of the same format, and does when it has nothing to do; stores of different formats are used at
//     the same time.
//   - The daemon has its own mount and PID namespace, and is process 1 in it. Killed in any way, at any moment, it
//     leaves no process and no mount; the next one starts from the finished steps.
//   - It holds nothing of its caller: its own session, "/" as working folder, the log as standard output and error,
//     and of the environment only what it needs (PATH, HOME, certificates, proxies).
//   - It stops by itself after [Config.Idle] without a call, and keeps its store below a tenth of the disk and 20 GB.
//   - An emulator that is registered with the kernel, or removed, while the daemon runs is noticed at the next
//     question for its platforms.
//   - If the configuration file or the proxy variables differ from what the daemon started with, Ensure replaces a
//     daemon that has nothing to do. One that is building is not disturbed, and is used as it is.
//
// It needs Linux. On other systems Ensure is one error that says what to do instead, and the package compiles to little
// more than that.
//
// # Without root
//
// For an ordinary user the daemon is root of a user namespace: root inside is the user outside, and the other ids are
// the user's subordinate ones, as /etc/subuid and /etc/subgid list them. newuidmap and newgidmap set that up; the daemon
// is started first, with all rights in its namespace and none outside, and waits for them. Such a daemon shares nothing
// with root's. What is different for the steps: they have no /sys, no control groups, and the network is the machine's
// own, as always here. Snapshots are overlays from Linux 5.11 on, and copies before. Files of the store can belong to
// subordinate ids, so it is the daemon that removes them ("xbuild daemon prune"), not rm.
//
// # Files
//
// All below [Config.StateDir], by default $XBUILD_STATE_DIR, else /var/lib/xbuild for root, else
// $XDG_DATA_HOME/xbuild:
//
//	buildkit-v1/                 the store: snapshots, content, cache, history
//	buildkit-v1/tmp/             the daemon's TMPDIR, emptied at its start
//	buildkit-v1/ended            there while no daemon runs, if the last one ended in good order
//	buildkit-v1/buildkitd.lock   held by the daemon; the same name as buildkitd's, so that the two exclude each other
//	daemon.log, daemon.log.1     what the daemon has to say; moved aside at a start above 10 MB
//	run/xbuild-1.sock            the control socket, mode 0600 (below /run/xbuild, or
//	                             $XDG_RUNTIME_DIR/xbuild without root, if this path is too long for a socket)
//	run/spawn.lock               held by the client that starts a daemon
//	run/runtime/                 empty; the runtime's state without root, inside the daemon's own namespace only
//	reserve                      up to 8 MB that are given up to make room on a full disk
//
// Besides these it makes empty control groups named xbuild-HASH while steps run, and removes them when it ends or
// starts; and an empty /run/runc, under which the runtime's state lives inside the daemon's own namespace only.
//
// # Registry configuration
//
// $XBUILD_CONFIG, else /etc/xbuild/buildkitd.toml for root, else $XDG_CONFIG_HOME/xbuild/buildkitd.toml, has
// buildkitd's own keys: [registry."HOST"] with mirrors, http, insecure, ca, keypair, tlsconfigdir; [dns]; [history];
// the garbage collection keys and max-parallelism of [worker.oci]; [log] level. Any other key is an error, since it
// would have no effect:
//
//	[registry."docker.io"]
//	  mirrors = ["mirror.example:5000"]
//	[registry."mirror.example:5000"]
//	  http = true
package embedded
