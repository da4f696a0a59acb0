//go:build no_git

package source

import (
	"context"
	"fmt"
	"io/fs"
)

func (l location) open(context.Context, Options) (fs.FS, Info, error) {
	return nil, Info{}, fmt.Errorf("%w: %s: this binary was built without git (-tags no_git): mount the migrations as a folder, or take the full build", ErrLocation, l)
}
