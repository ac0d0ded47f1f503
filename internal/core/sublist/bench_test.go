package sublist_test

import (
	"fmt"
	"testing"

	"dunlin/internal/core/sublist"
)

const crowd = 100_000

// pattern is the i-th of a crowd: literal, wildcard, or two of three literal.
func pattern(kind string, i int) string {
	if kind == "wildcard" || kind == "mixed" && i%3 == 0 {
		switch i % 4 {
		case 0:
			return fmt.Sprintf("plant.%d.*.line.%d", i%100, i)
		case 1:
			return fmt.Sprintf("plant.%d.%d.>", i%100, i)
		default:
			return fmt.Sprintf("plant.*.%d.line.*", i)
		}
	}
	return fmt.Sprintf("plant.%d.%d.line.%d", i%100, i, i)
}

func crowded(kind string) *sublist.Table {
	var table sublist.Table
	for i := range crowd {
		table.Insert(newSub(pattern(kind, i), "", "1"))
	}
	return &table
}

func BenchmarkInsert(b *testing.B) {
	for _, kind := range []string{"literal", "wildcard", "mixed"} {
		b.Run(kind, func(b *testing.B) {
			subs := make([]*sublist.Sub, crowd)
			for i := range subs {
				subs[i] = newSub(pattern(kind, i), "", "1")
			}
			b.ReportAllocs()
			b.ResetTimer()
			table := new(sublist.Table)
			for i := range b.N {
				if i%crowd == 0 {
					b.StopTimer()
					for _, s := range subs[:min(i, crowd)] {
						table.Remove(s)
					}
					b.StartTimer()
				}
				table.Insert(subs[i%crowd])
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, kind := range []string{"literal", "wildcard", "mixed"} {
		for _, hit := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/hit=%v", kind, hit), func(b *testing.B) {
				table := crowded(kind)
				subjects := make([][]byte, 4096)
				for i := range subjects {
					n := i * (crowd / len(subjects))
					if !hit {
						n += crowd
					}
					subjects[i] = fmt.Appendf(nil, "plant.%d.%d.line.%d", n%100, n, n)
				}
				var r sublist.Result
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					table.Match(subjects[i%len(subjects)], &r)
				}
			})
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	table := crowded("mixed")
	for _, subjects := range []int{1, 50, 1000} {
		b.Run(fmt.Sprint(subjects, " subjects"), func(b *testing.B) {
			var cache sublist.Cache
			list := make([][]byte, subjects)
			for i := range list {
				list[i] = fmt.Appendf(nil, "plant.%d.%d.line.%d", i%100, i, i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				cache.Lookup(table, list[i%len(list)])
			}
		})
	}
}
