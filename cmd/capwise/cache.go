package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/capwise/capwise/image/facts"
	"github.com/capwise/capwise/internal/printable"
)

// Variables of the environment: another folder for the cache, and that no registry is
// asked, as --offline says.
const (
	cacheVariable   = "CAPWISE_CACHE"
	offlineVariable = "CAPWISE_OFFLINE"
)

// cacheDir is the folder that facts are kept in.
func cacheDir() (string, error) {
	if dir := os.Getenv(cacheVariable); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "capwise"), nil
}

// cacheFlag is the flag of commands that read images.
type cacheFlag struct{ none bool }

func (c *cacheFlag) register(f *pflag.FlagSet) {
	f.BoolVar(&c.none, "no-cache", false, "read all layers, and keep nothing of what is known about them")
}

// open opens the cache. Where there can be none, nothing is kept: it only saves time.
func (c *cacheFlag) open() *facts.Cache {
	if c.none {
		return nil
	}
	cache, err := openCache()
	if err != nil {
		return nil
	}
	return cache
}

func openCache() (*facts.Cache, error) {
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	return facts.OpenCache(dir)
}

const cacheLong = `Say what is kept of layers of images that were read: which files carry
capabilities, and names, links, modes and owners, by the layer's digest. scan,
fix and explain do not read a layer again of which they have that.

It is in the folder capwise of your folder for caches (~/.cache), or in that
which the variable CAPWISE_CACHE names. What was not used for the longest time is
removed when there is too much. Nothing is kept in a folder that belongs to
another user, or that others can write to.`

func newCache() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "cache", Short: "Say what is kept of layers that were read, and clear it",
		Long: cacheLong, Example: "  capwise cache\n  capwise cache clear", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return showCache(cmd, format) },
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.AddCommand(&cobra.Command{
		Use: "clear", Short: "Remove all that is kept", Args: cobra.NoArgs, Example: "  capwise cache clear",
		RunE: func(*cobra.Command, []string) (err error) {
			cache, err := openCache()
			if err != nil {
				return err
			}
			return errors.Join(cache.Clear(), cache.Close())
		},
	})
	return cmd
}

func showCache(cmd *cobra.Command, format string) error {
	if format != "text" && format != "json" {
		return fmt.Errorf("--format %q: want text or json", format)
	}
	cache, err := openCache()
	if err != nil {
		return err
	}
	usage, err := cache.Usage()
	if err = errors.Join(err, cache.Close()); err != nil {
		return err
	}
	if format == "json" {
		return writeJSON(cmd.OutOrStdout(), usage)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: facts of %s, %.1f of at most %d MB\n",
		printable.Name(usage.Dir), count(int64(usage.Layers), "layer"), float64(usage.Bytes)/1e6, usage.Limit/1e6)
	return err
}
