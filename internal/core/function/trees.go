package function

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/core/function/tree"
)

// codeTree is the tree of the function's own zip. The runtime belongs to it
// because of the bytecode that is compiled into it.
func codeTree(v *Version) string { return tree.Code + "/" + v.Code + "-" + v.Runtime }

// layerTree is the tree of a layer's zip as it is, without bytecode: another
// layer may replace a source file, and bytecode does not know its source.
func layerTree(l LayerVersion) string { return tree.Code + "/" + l.Code }

// layersTree is the tree that a version sees as /opt; "" without layers.
func layersTree(v *Version) string {
	if len(v.Layers) == 0 {
		return ""
	}
	digest := sha256.New()
	fmt.Fprintln(digest, v.Runtime)
	for _, l := range v.Layers {
		fmt.Fprintln(digest, l.Code)
	}
	return tree.Layers + "/" + hex.EncodeToString(digest.Sum(nil))
}

// treesOf lists every tree that a version needs, those of single layers too.
func treesOf(v *Version) []string {
	names := []string{codeTree(v)}
	for _, l := range v.Layers {
		names = append(names, layerTree(l))
	}
	if id := layersTree(v); id != "" {
		names = append(names, id)
	}
	return names
}
