package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"
)

// ErrOwner wraps that a bucket and prefix belong to another Owner.
var ErrOwner = errors.New("blob: it belongs to another gateway")

const (
	// ownerObject is the object after the prefix that names the Owner.
	ownerObject = "owner"
	maxOwner    = 256
)

// own makes the bucket and prefix the Owner's, or finds that they are, or says
// ErrOwner. Whoever comes first has them, by a conditional upload.
func (s *S3) own(ctx context.Context) error {
	if s.opt.Owner == "" {
		return nil
	}
	name := s.opt.Prefix + ownerObject
	owner, err := s.owner(ctx, name)
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		opt := minio.PutObjectOptions{ContentType: "text/plain", DisableMultipart: true}
		opt.SetMatchETagExcept("*")
		_, err = s.core.Client.PutObject(ctx, s.opt.Bucket, name, strings.NewReader(s.opt.Owner), int64(len(s.opt.Owner)), opt)
		if !isThere(err) {
			return err
		}
		owner, err = s.owner(ctx, name)
	}
	if err == nil && owner != s.opt.Owner {
		err = fmt.Errorf("%w (the object %s says %q, not %q): two on one prefix would remove each other's mail; name another prefix, or delete that object if the other gateway is gone for good",
			ErrOwner, name, owner, s.opt.Owner)
	}
	return err
}

// owner reads who has the prefix.
func (s *S3) owner(ctx context.Context, name string) (string, error) {
	body, _, _, err := s.core.GetObject(ctx, s.opt.Bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return "", err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxOwner))
	return string(b), err
}
