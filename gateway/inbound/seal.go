package inbound

import (
	"context"
	"errors"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
)

// seal returns a header block with an ARC set on top (RFC 8617 section 5.1):
// the last thing that is done to it. A message that cannot be sealed goes on
// without.
func (t *transaction) seal(a *arriving, result pipeline.Result, block []byte) []byte {
	signer := t.s.h.opt.Sealer
	if signer == nil {
		return block
	}
	fields, err := t.arcSet(a, signer, result, block)
	if err != nil {
		if !errors.Is(err, mailauth.ErrChainEnded) && !errors.Is(err, mailauth.ErrChainUnknown) {
			t.s.h.opt.Log.Error("not sealed", "id", t.id, "error", err.Error())
		}
		return block
	}
	return append(fields, block...)
}

func (t *transaction) arcSet(a *arriving, signer *mailauth.Signer, result pipeline.Result, block []byte) ([]byte, error) {
	h, err := parseOwn(block)
	if err != nil {
		return nil, err
	}
	hash, err := a.bodyHash(signer)
	if err != nil {
		return nil, err
	}
	s := *signer
	s.Time = t.started
	ar := message.AuthResults{ID: t.s.h.opt.Hostname, Results: result.Results}
	return s.Seal(h, mailauth.Result(result.Facts.String("arc.result")), ar.Value(), hash)
}

// builtHead is the header block of copies with the same edits, ready to go.
type builtHead struct {
	edits []gateway.Edit
	spam  spamMark
	block []byte // with the empty line
}

// sign returns a header block with the signatures of our domains on top. What
// cannot be signed is not sent: receivers would think it forged.
func (t *transaction) sign(ctx context.Context, a *arriving, block []byte) ([]byte, error) {
	signer := t.s.h.opt.Signer
	if signer == nil || a.hasher == nil {
		return block, nil
	}
	h, err := parseOwn(block)
	if err != nil {
		return nil, err
	}
	hash, ok := a.hasher.Sum(signer.Form())
	if !ok {
		return nil, errors.New("body was not hashed")
	}
	fields, err := signer.Sign(ctx, &Unsigned{Sender: t.sender(), ID: t.id, Header: h, Body: hash, Others: t.others, Time: t.started})
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return block, nil
	}
	return append(fields[:len(fields):len(fields)], block...), nil
}

// parseOwn parses a header block that has been parsed before, with our fields
// added.
func parseOwn(block []byte) (*message.Header, error) {
	return message.ParseHeader(block, message.HeaderLimits{Bytes: 2 * len(block), Field: 2 * len(block), Fields: len(block)})
}

// bodyHash returns the hash of the body, which all copies share.
func (a *arriving) bodyHash(signer *mailauth.Signer) (mailauth.BodyHash, error) {
	if a.hash != nil {
		return *a.hash, nil
	}
	hasher := mailauth.NewBodyHasher(signer.BodyForm())
	r := a.body.Open()
	defer r.Close()
	if _, err := r.WriteTo(hasher); err != nil {
		return mailauth.BodyHash{}, err
	}
	hash, ok := hasher.Sum(signer.BodyForm())
	if !ok {
		return hash, errors.New("body was not hashed")
	}
	a.hash = &hash
	return hash, nil
}
