package wire

import (
	"time"

	"github.com/hashicorp/go-plugin"
)

// Handshake is what host and plugin must agree on before they talk. The cookie
// is no secret: it tells somebody who starts a plugin by hand what it is.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "GAPURA_PLUGIN",
	MagicCookieValue: "gateway.Filter",
}

// Service is the name under which go-plugin finds the filter.
const Service = "filter"

// Bounds that host and plugin keep.
const (
	MaxRequest  = 2 << 20   // octets of one message to the plugin
	MaxResponse = 1 << 20   // octets of one message from the plugin
	MaxHeader   = 1 << 20   // octets of a header block that a plugin is shown
	ChunkSize   = 64 << 10  // octets of a chunk of the body
	MaxStreams  = 4096      // calls under way in one plugin
	Window      = 256 << 10 // octets under way in one call that the plugin has not read

	MaxFields  = 256  // of one plugin
	MaxName    = 128  // octets of a fact's name
	MaxDoc     = 2048 // octets of a field's documentation
	MaxFacts   = 256  // in one verdict, or about one recipient
	MaxText    = 4096 // octets of a fact's string
	MaxTexts   = 256  // strings of a list
	MaxResults = 16   // authentication results in one verdict
	MaxProps   = 16   // properties of an authentication result
	MaxError   = 1024 // octets of an error's text
	MaxVersion = 64   // octets of a plugin's version
	MaxAfter   = 64   // filters that a plugin wants listed before it

	// MaxAnswer is how long a plugin may think about one question, whatever
	// the pipeline allows; for a message, after its last byte.
	MaxAnswer = 2 * time.Minute
)
