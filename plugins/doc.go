// Package plugins hosts filters that run in processes of their own, over
// hashicorp/go-plugin (gRPC on a unix socket). A Plugin keeps one process
// running and is a gateway.Filter towards the pipeline; package plugins/sdk is
// the other side.
//
// A plugin is not trusted to live, to answer or to tell the truth. One that
// was killed, hangs or lies costs each call an error, or the caller's patience
// (ctx), and is started again after a growing pause; while it is down calls
// fail at once. It sees no environment, no TLS key, no password; its memory
// and files are limited; its facts are checked against the fields that it
// declared. It is not contained beyond that: it runs as the gateway's user.
package plugins
