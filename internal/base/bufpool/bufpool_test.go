package bufpool

import "testing"

func TestSizes(t *testing.T) {
	for _, c := range []struct{ want, size int }{
		{0, 512}, {1, 512}, {512, 512}, {513, 1024}, {4096, 4096}, {65536, 65536}, {65537, 131072}, {Largest, Largest},
	} {
		b := Get(c.want)
		if len(b) != 0 || cap(b) != c.size {
			t.Errorf("Get(%d): len %d cap %d, want 0 and %d", c.want, len(b), cap(b), c.size)
		}
		Put(b)
	}
	if b := Get(Largest + 1); cap(b) < Largest+1 {
		t.Errorf("Get beyond the largest class: cap %d", cap(b))
	}
}

func TestPutTakesWhatItKnows(t *testing.T) {
	Put(nil)
	Put(make([]byte, 0, 700)) // not a class: must not come back with a wrong capacity
	for range 100 {
		if b := Get(600); cap(b) != 1024 {
			t.Fatalf("cap %d", cap(b))
		}
	}
}

func TestNoAllocation(t *testing.T) {
	Put(Get(4096))
	if n := testing.AllocsPerRun(1000, func() { Put(Get(4096)) }); n > 0.1 {
		t.Errorf("%v allocations a Get and Put", n)
	}
}
