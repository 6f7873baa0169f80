// Package engine reads the command lines of Docker and Podman: "docker run",
// "docker create", "docker container run" and their like of Podman.
//
// Flags are split as the engines' own library does it (pflag: clusters such as
// -itd, values with = or without, nothing behind the image), with lists of the
// flags that take a value. An unknown flag breaks nothing: it is
// noted, and where it may take the next argument for its value or not, that is
// noted too. What the options mean follows the engines' sources, which differ:
// Docker lets --cap-add win over --cap-drop, Podman refuses both at once.
package engine
