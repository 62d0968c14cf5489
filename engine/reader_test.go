package engine_test

import (
	"errors"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// TestModuleInfoReader shows that what another reader of modules saw is not
// taken for what this one sees.
func TestModuleInfoReader(t *testing.T) {
	t.Parallel()
	info := engine.ModuleInfo{Interface: wit.Interface{Funcs: []wit.Func{{Name: "f"}}}, MaxMemory: 7}
	if got, err := engine.ParseModuleInfo(info.Value()); err != nil || got.MaxMemory != 7 || len(got.Interface.Funcs) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, v := range map[string]ipld.Value{
		"another": ipld.Map(ipld.Entry{Key: "interface", Value: info.Interface.Value()}, ipld.Entry{Key: "maxMemory", Value: ipld.Uint(7)}, ipld.Entry{Key: "reader", Value: ipld.Int(1)}),
		"old":     ipld.Map(ipld.Entry{Key: "interface", Value: info.Interface.Value()}, ipld.Entry{Key: "maxMemory", Value: ipld.Uint(7)}),
	} {
		if _, err := engine.ParseModuleInfo(v); !errors.Is(err, engine.ErrReader) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := engine.ParseModuleInfo(ipld.Int(1)); err == nil || errors.Is(err, engine.ErrReader) {
		t.Errorf("no map: %v", err)
	}
}
