// Package fingerprint decides without BuildKit that a build need not run, since nothing that it reads and nothing that it
// wrote was touched since it last succeeded.
//
// In: a [plan.Plan], a [World] with what is not in the plan, and the file in which the [Memory] of a project is kept. Out: a
// [Decision]: which builds are unchanged, with the outputs that they wrote, and why the others are not. Start with [Open],
// then [Memory.Check] before the run and [Decision.Remember] after it.
//
// What a build reads is known by names, modes, sizes, times and inode numbers of all files of its contexts that its ignore
// file leaves, and by the plan itself: the Dockerfile as it is built, values, stages, digests of base images, the node and
// the program. What it wrote is known by the same of every output file, and by asking the registry for every tag.
//
// Promised: no build is called unchanged that might give another result, but for one case that stat cannot know. Doubt means
// to build:
//
//   - A change of content gives a file another change time or inode number, on the file systems that are trusted. The exception
//     is a file that a process has mapped into its memory: what it writes there again, before the system has written the
//     first change back, gives the file no new time, and nobody can tell; --force builds anyway;
//     contexts and outputs on any other file system are never unchanged.
//   - A file that was changed less than [racy] before it was looked at may change again without showing it. A build that
//     read one is not remembered.
//   - Inputs that nobody can look at without building are never unchanged: base images without a digest, URLs, repositories,
//     foreign frontends. So are builds that leave nothing but the cache, that write a cache, or that must ignore it.
//   - Everything is looked at before the build reads it and again after that ([Decision.Reading], [Decision.Read]): a build
//     is not remembered if a file came or went meanwhile. And only a build that succeeded is, when its outputs are in place.
//
// A few needless runs are the price: a file that was touched, a context on a network file system, a run right after an edit.
package fingerprint
