package limit

// UnpackedFree is how many bytes layers may unpack to however well they are packed.
const UnpackedFree = int64(2 << 30)

// Of archives: layers, docker-archive and oci-archive.
var (
	// Name is PATH_MAX of Linux: no engine unpacks a longer one.
	Name = Limit{"name", 4096, "bytes in a name"}
	// Folders is for a name, too. What is judged of a file is judged of each folder
	// above it.
	Folders = Limit{"folders", 256, "folders in a name"}
	Headers = Limit{"headers", 1 << 20, "bytes of headers of one entry"}
	// Entries counts what an archive lists, and the folders on the way that it
	// leaves out, in all layers of an image.
	Entries = Limit{"entries", 1 << 20, "entries in the layers of an image"}
	// Listed is for fix, which keeps less of each, and looks at all images of a
	// target.
	Listed = Limit{"listed", 2 << 20, "entries in the layers of the target"}
	// Kept is what stays in memory of entries with capabilities, and of links.
	Kept = Limit{"kept", 32 << 20, "bytes of names, links and attributes to keep"}
	// Contents are the programs with capabilities, which are looked into.
	Contents = Limit{"contents", 4 << 30, "bytes of programs with capabilities"}
	// Unpacked and Ratio bound decompression beyond [UnpackedFree].
	Unpacked = Limit{"unpacked", 64 << 30, "bytes in the layers, unpacked"}
	Ratio    = Limit{"ratio", 64, "times as many bytes in the layers as are packed"}
	// Window is that of zstd.
	Window = Limit{"window", 32 << 20, "bytes of window of a zstd layer"}
	// Files is for an archive of an image, which has a few for each layer.
	Files       = Limit{"files", 100_000, "files in an archive of an image"}
	FileHeaders = Limit{"file-headers", 64 << 20, "bytes of headers in an archive of an image"}
)

// Of images and their documents.
var (
	Document  = Limit{"document", 8 << 20, "bytes in a document"}
	Documents = Limit{"documents", 32 << 20, "bytes in all documents"}
	Values    = Limit{"values", 200_000, "values in a document"}
	Depth     = Limit{"depth", 64, "values inside of each other in a document"}
	Nesting   = Limit{"nesting", 8, "indexes inside of each other"}
	Images    = Limit{"images", 1000, "images in a target"}
	Layers    = Limit{"layers", 128, "layers in an image"}
	Launchers = Limit{"launchers", 96, "programs that want a launcher"}
	// LayerLaunchers is how many of them may be in one layer.
	LayerLaunchers = Limit{"layer-launchers", 64, "programs that want a launcher"}
)

// Of what an engine here saves of an image.
var (
	Saved = Limit{"saved", 16 << 30, "bytes that the engine saves"}
	Asked = Limit{"asked", 100, "images that the engine is asked for"}
	// Cache is what is kept of layers that were read.
	Cache = Limit{"cache", 512 << 20, "bytes of facts about layers"}
)

// Of files that describe starts.
var (
	Source   = Limit{"source", 64 << 20, "bytes in a file that describes starts"}
	Compose  = Limit{"compose", 4 << 20, "bytes in a compose file"}
	Includes = Limit{"includes", 100, "compose files"}
	Unit     = Limit{"unit", 4 << 20, "bytes in a unit file"}
)

// All lists the limits.
func All() []Limit {
	return []Limit{
		Name, Folders, Headers, Entries, Listed, Kept, Contents, Unpacked, Ratio, Window, Files, FileHeaders,
		Document, Documents, Values, Depth, Nesting, Images, Layers, Launchers, LayerLaunchers, Saved, Asked, Cache,
		Source, Compose, Includes, Unit,
	}
}
