package version

import (
	"runtime/debug"
	"testing"
)

func TestCommitIsShortAndSaysWhenModified(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, c := range []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"clean", []debug.BuildSetting{revision, {Key: "vcs.modified", Value: "false"}}, "0123456"},
		{"modified", []debug.BuildSetting{modified, revision}, "0123456-modified"},
		{"short id", []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}}, "abc"},
		{"none recorded", []debug.BuildSetting{modified}, ""},
	} {
		if got := commit(c.settings); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
