package blob

import (
	"errors"
	"net/url"
	"strings"
)

// S3Options say which bucket.
type S3Options struct {
	Bucket string
	Prefix string // of the names of objects: "" or with a / at its end
	// Endpoint is the server's URL, http or https; "": AWS's for the region.
	Endpoint *url.URL
	Region   string
	// Dir is a folder of this host: it is locked while the store is open, so
	// that no other process here uses it.
	Dir string
	// Owner names whom bucket and prefix belong to: the database whose rows
	// refer to the blobs. "": it is not checked.
	Owner string
	// ReadOnly opens beside another process: Open and Records work.
	ReadOnly bool
}

var errS3 = errors.New("blob: objects are neither files nor a URL s3://bucket/prefix?endpoint=https://host&region=name")

// CheckURL tells whether s names a Store: "files" (or ""), or a URL that
// ParseS3 understands. The error does not show it.
func CheckURL(s string) error {
	if s == "" || s == "files" {
		return nil
	}
	_, err := ParseS3(s)
	return err
}

// ParseS3 reads s3://bucket/prefix?endpoint=URL&region=NAME. Credentials come
// from the environment, not from the URL. The error does not show it.
func ParseS3(s string) (opt S3Options, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Fragment != "" {
		return opt, errS3
	}
	if u.User != nil {
		return opt, errors.New("blob: credentials of S3 are read from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")
	}
	opt.Bucket = u.Host
	if p := strings.Trim(u.Path, "/"); p != "" {
		opt.Prefix = p + "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return opt, errS3
	}
	for key, values := range query {
		switch {
		case len(values) != 1:
			return opt, errS3
		case key == "region":
			opt.Region = values[0]
		case key == "endpoint":
			opt.Endpoint, err = url.Parse(values[0])
			if err != nil || opt.Endpoint.Scheme != "http" && opt.Endpoint.Scheme != "https" || opt.Endpoint.Host == "" || opt.Endpoint.User != nil || strings.Trim(opt.Endpoint.Path, "/") != "" {
				return opt, errors.New("blob: endpoint of S3 is no URL http://host or https://host")
			}
		default:
			return opt, errors.New("blob: a URL of S3 has the parameters endpoint and region, no others")
		}
	}
	return opt, nil
}
