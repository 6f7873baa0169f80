package engine

// Builder is an engine that builds images from Containerfiles.
type Builder interface {
	Engine
	// Build builds the Containerfile in the folder, with these arguments, in the
	// network that the engine itself has; the image gets the tag. Images are not
	// looked for elsewhere.
	Build(dir, tag string, args ...string) error
	// Save writes the image to a docker-archive.
	Save(tag, archive string) error
}

// buildArguments is the part of the command line that engines have in common.
func buildArguments(dir, tag string, args []string) []string {
	line := []string{"build", "--network=host", "--file=" + dir + "/Containerfile", "--tag=" + tag}
	for _, arg := range args {
		line = append(line, "--build-arg="+arg)
	}
	return append(line, dir)
}

// Build implements Builder.
func (d *Docker) Build(dir, tag string, args ...string) error {
	_, err := run(d.with(buildArguments(dir, tag, args)...)...)
	return err
}

// Save implements Builder.
func (d *Docker) Save(tag, archive string) error {
	_, err := run(d.with("save", "--output="+archive, tag)...)
	return err
}

// Build implements Builder. The isolation is the one that needs no cgroups.
func (p *Podman) Build(dir, tag string, args ...string) error {
	line := append([]string{"build", "--isolation=chroot", "--pull=never"}, buildArguments(dir, tag, args)[1:]...)
	_, err := run(p.with(line...)...)
	return err
}

// Save implements Builder.
func (p *Podman) Save(tag, archive string) error {
	_, err := run(p.with("save", "--quiet", "--format=docker-archive", "--output="+archive, tag)...)
	return err
}
