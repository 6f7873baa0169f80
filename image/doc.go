// Package image writes container images from directories, without a daemon,
// without root and without a registry.
//
// An image is described by a [Spec] and, for each platform, a directory that
// holds its root file system. [Build] packs every directory into two layers,
// one for the program and one for everything else, and puts the file
// capabilities on the program as the extended attribute security.capability.
// [Set.Write] writes the result as an OCI image layout that holds all
// platforms, and as one archive per platform for "docker load".
//
// The same directories, the same Spec and the same Options give the same
// bytes: names are sorted, owners are root, times are Options.Created.
package image
