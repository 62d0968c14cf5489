package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// downloadTime bounds one download.
const downloadTime = 10 * time.Minute

// Download returns what is at an http or https URL, of at most limit bytes. It is
// for a person who names the URL; whether it is what they expect is for the
// caller to check.
func Download(ctx context.Context, from string, limit int64) ([]byte, error) {
	return download(ctx, from, limit, nil)
}

func download(ctx context.Context, from string, limit int64, roots *http.Transport) ([]byte, error) {
	u, err := url.Parse(from)
	if err != nil {
		return nil, fmt.Errorf("%q is no URL", from)
	}
	base := *u
	base.RawQuery, base.ForceQuery, base.Fragment = "", false, ""
	c, err := newClient(Config{Gateways: []string{base.String()}}, defaults(), roots)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	own, cancel := context.WithTimeoutCause(ctx, downloadTime, errSlow)
	defer cancel()
	data, err := get(own, c.http, u, limit)
	if errors.Is(context.Cause(own), errSlow) {
		err = fmt.Errorf("%w within %v", errSlow, downloadTime)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text(u.Redacted()), err)
	}
	return data, nil
}

func get(ctx context.Context, client *http.Client, u *url.URL, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", plain)
	resp, err := client.Do(req)
	if err != nil {
		return nil, plainly(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(status(resp))
	}
	if err := encoding(resp.Header); err != nil {
		return nil, err
	}
	return read(resp, limit)
}
