package rpc

import (
	"context"
	"fmt"
	"net/http"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
)

// This file is what both sides know of tasks that have ended the process.

func (r *request) quarantined() error {
	all, err := r.server.backend.Quarantined(r.Context())
	if err != nil {
		return err
	}
	list := make([]ipld.Value, len(all))
	for i := range all {
		list[i] = all[i].Value()
	}
	return r.answerValue(typeCBOR, ipld.List(list...))
}

// Quarantined lists the tasks that have ended the other process.
func (c *Client) Quarantined(ctx context.Context) ([]quarantine.Record, error) {
	data, err := c.fetch(ctx, "/v1/quarantine", maxValue)
	if err != nil {
		return nil, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil || v.Kind() != ipld.KindList {
		return nil, fmt.Errorf("%w: quarantine: %w", errAnswer, err)
	}
	all := make([]quarantine.Record, v.Len())
	for i, e := range v.Elems() {
		if all[i], err = quarantine.ParseRecord(e); err != nil {
			return nil, fmt.Errorf("%w: quarantine: %w", errAnswer, err)
		}
	}
	return all, nil
}

func (r *request) release() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	n, err := r.server.backend.Release(r.Context(), link)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, ipld.Int(int64(n)))
}

// Release has the other process forget what is held against a task or a module.
func (c *Client) Release(ctx context.Context, link ipld.Link) (int, error) {
	data, err := c.ask(ctx, http.MethodDelete, "/v1/quarantine/"+link.String(), nil, maxValue)
	if err != nil {
		return 0, err
	}
	v, err := ipld.DecodeCBOR(data)
	n, ok := v.AsInt64()
	if err != nil || !ok {
		return 0, fmt.Errorf("%w: release", errAnswer)
	}
	return int(n), nil
}
