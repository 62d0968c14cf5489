package api

import "context"

type stoppingKey struct{}

// withStopping is a context whose requests learn from stopping that they are to end
// soon.
func withStopping(ctx, stopping context.Context) context.Context {
	return context.WithValue(ctx, stoppingKey{}, stopping)
}

// stoppingOf is the context that ends when requests are to end.
func stoppingOf(ctx context.Context) context.Context {
	if stopping, ok := ctx.Value(stoppingKey{}).(context.Context); ok {
		return stopping
	}
	return context.Background()
}
