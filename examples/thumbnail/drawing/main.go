package main

import (
	"bufio"
	"image"
	"image/color"
	"image/png"
	"log"
	"math"
	"os"
)

const (
	width, height = 640, 480

	shore = 322.0 // the row where the water begins
	sunX  = 434.0
	sunY  = 166.0
	sunR  = 27.0
)

func main() {
	log.SetFlags(0)
	out := bufio.NewWriter(os.Stdout)
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(out, draw()); err != nil {
		log.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

func draw() image.Image {
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			picture.SetRGBA(x, y, pixel(x, y))
		}
	}
	return picture
}

// pixel is the mean of 3×3 samples, so that edges are smooth.
func pixel(x, y int) color.RGBA {
	const n = 3
	var sum rgb
	for j := range n {
		for i := range n {
			sum = sum.plus(scene(float64(x)+(float64(i)+0.5)/n, float64(y)+(float64(j)+0.5)/n))
		}
	}
	return sum.times(1.0 / (n * n)).color()
}

// scene is the colour at a point of the drawing, whose origin is the upper
// left corner.
func scene(x, y float64) rgb {
	for _, r := range trees {
		if y > r.top(x) {
			return r.colour(y)
		}
	}
	if y < shore {
		return land(x, y)
	}
	return water(x, y)
}

// land is everything above the water, from the nearest to the farthest.
func land(x, y float64) rgb {
	for _, r := range ridges {
		if top := r.top(x); y > top {
			return r.colour(y).mix(haze, 0.55*smooth(top, shore+6, y)*r.depth)
		}
	}
	return sky(x, y)
}

// water mirrors the land, rippled and darkened, with the sun's path on it.
func water(x, y float64) rgb {
	depth := (y - shore) / (height - shore)
	ripple := fractal(x/(26+150*depth), y/(2.2+11*depth)+40, 3) - 0.5
	mirrored := land(x+ripple*(10+46*depth), math.Min(shore-1, 2*shore-y+ripple*(8+60*depth)))
	c := mirrored.mix(rgb{0.09, 0.13, 0.27}, 0.22+0.40*depth)

	away := math.Abs(x-sunX) / (16 + 82*depth)
	glint := smooth(0.50, 0.78, fractal(x/(16+60*depth), y/(1.5+4.5*depth)+90, 2)) * math.Exp(-away*away)
	c = c.mix(rgb{1.00, 0.86, 0.60}, 0.85*glint*(1-0.55*depth))
	return c.mix(haze, 0.30*(1-smooth(0, 0.05, depth)))
}

func sky(x, y float64) rgb {
	c := gradient(y/shore, skyColours)
	distance := math.Hypot(x-sunX, y-sunY)
	c = c.plus(rgb{0.45, 0.24, 0.06}.times(math.Exp(-distance / 62)))
	c = c.plus(rgb{0.16, 0.09, 0.03}.times(math.Exp(-distance / 190)))

	if y < 150 {
		c = c.plus(rgb{0.9, 0.92, 1}.times(star(x, y) * (1 - smooth(20, 150, y))))
	}
	if distance < sunR+1 {
		c = c.mix(rgb{1.00, 0.95, 0.78}, 1-smooth(sunR-0.7, sunR+0.7, distance))
	}
	density := smooth(0.52, 0.80, fractal(x/190+3, y/34+7, 5)) * smooth(30, 110, y) * (1 - 0.7*smooth(220, 300, y))
	lit := gradient(distance/330, []rgb{{1.00, 0.80, 0.50}, {0.98, 0.55, 0.45}, {0.60, 0.37, 0.52}})
	return c.mix(lit, 0.78*density)
}

var (
	haze = rgb{0.98, 0.66, 0.47}

	// From the zenith to the horizon.
	skyColours = []rgb{
		{0.08, 0.10, 0.27},
		{0.19, 0.18, 0.42},
		{0.44, 0.27, 0.51},
		{0.79, 0.40, 0.47},
		{0.97, 0.62, 0.42},
		{1.00, 0.78, 0.52},
	}
)

// A ridge is a line of mountains or trees: all below its top is its colour.
type ridge struct {
	seed   float64
	base   float64 // mean row of its top
	rise   float64 // how far it reaches above and below, in pixels
	length float64 // of its slopes, in pixels
	sharp  float64 // 0 for rolling hills, 1 for crests
	tilt   float64 // rows it falls from the left to the right edge
	depth  float64 // how much haze lies in its valleys
	upper  rgb
	lower  rgb
	trees  float64 // height of the trees on it
}

// From the nearest to the farthest.
var ridges = []ridge{
	{seed: 61, base: 301, rise: 26, length: 210, sharp: 0.1, tilt: -14, depth: 0.15, upper: rgb{0.10, 0.12, 0.20}, lower: rgb{0.13, 0.13, 0.22}, trees: 9},
	{seed: 23, base: 274, rise: 52, length: 190, sharp: 0.5, tilt: 22, depth: 0.5, upper: rgb{0.22, 0.19, 0.33}, lower: rgb{0.33, 0.24, 0.36}, trees: 4},
	{seed: 37, base: 240, rise: 94, length: 220, sharp: 0.9, tilt: -34, depth: 0.8, upper: rgb{0.37, 0.28, 0.47}, lower: rgb{0.56, 0.36, 0.46}},
	{seed: 12, base: 222, rise: 84, length: 260, sharp: 1.0, tilt: 40, depth: 1, upper: rgb{0.58, 0.38, 0.53}, lower: rgb{0.80, 0.50, 0.48}},
}

// The near shore, before the water.
var trees = []ridge{
	{seed: 80, base: 470, rise: 26, length: 300, sharp: 0, tilt: 90, upper: rgb{0.045, 0.06, 0.11}, lower: rgb{0.03, 0.04, 0.08}, trees: 74},
}

func (r ridge) top(x float64) float64 {
	u := x/r.length + r.seed*17.3
	hills := 2*fractal(u, r.seed, 5) - 1
	crests := 1 - 2.9*math.Abs(fractal(u*0.8, r.seed+5, 6)-0.5)*2
	y := r.base - r.rise*(hills+(crests-hills)*r.sharp) + r.tilt*(x/width-0.5)
	return y - r.canopy(x)
}

// canopy is how far the trees stand above the ground: one fir per cell, of its
// own height, its branches a little ragged.
func (r ridge) canopy(x float64) float64 {
	if r.trees == 0 {
		return 0
	}
	highest := 0.0
	for _, layer := range []float64{0, 1, 2} {
		cell := r.trees * (0.21 + 0.06*layer)
		at := math.Floor(x/cell + 0.37*layer)
		for i := at - 1; i <= at+1; i++ {
			tall := r.trees * (0.30 + 0.70*hash(i, r.seed+layer))
			middle := (i - 0.37*layer + 0.2 + 0.6*hash(i, r.seed+10+layer)) * cell
			away := math.Abs(x-middle) / (tall * 0.17)
			if away < 1 {
				ragged := 0.86 + 0.14*math.Abs(math.Mod(away*5+hash(i, 3), 1)*2-1)
				highest = math.Max(highest, tall*(1-away)*ragged)
			}
		}
	}
	return highest
}

func (r ridge) colour(y float64) rgb {
	return r.upper.mix(r.lower, smooth(r.base-r.rise, shore, y))
}

// star is the brightness of the sky's stars at a point: at most one in each
// cell of the sky, most of them faint.
func star(x, y float64) float64 {
	const cell = 19
	i, j := math.Floor(x/cell), math.Floor(y/cell)
	if hash(i, j+500) < 0.55 {
		return 0
	}
	cx, cy := (i+0.15+0.7*hash(i, j+600))*cell, (j+0.15+0.7*hash(i, j+700))*cell
	size := 0.35 + 0.6*math.Pow(hash(i, j+800), 4)
	return 0.9 * math.Exp(-math.Pow(math.Hypot(x-cx, y-cy)/size, 2)) * (0.35 + 0.65*hash(i, j+900))
}

// fractal is smooth noise of several sizes, between 0 and 1.
func fractal(x, y float64, octaves int) float64 {
	sum, weight, total := 0.0, 1.0, 0.0
	for range octaves {
		sum += weight * noise(x, y)
		total += weight
		x, y, weight = x*2.03+11.7, y*2.03+5.3, weight*0.5
	}
	return sum / total
}

// noise runs smoothly between random values at whole coordinates.
func noise(x, y float64) float64 {
	i, j := math.Floor(x), math.Floor(y)
	u, v := smooth(0, 1, x-i), smooth(0, 1, y-j)
	upper := hash(i, j) + (hash(i+1, j)-hash(i, j))*u
	lower := hash(i, j+1) + (hash(i+1, j+1)-hash(i, j+1))*u
	return upper + (lower-upper)*v
}

// hash is a random value from 0 to 1 that belongs to a pair of whole numbers.
func hash(x, y float64) float64 {
	h := uint64(int64(x*8))*0x9e3779b97f4a7c15 ^ uint64(int64(y*8))*0xc2b2ae3d27d4eb4f
	h = (h ^ h>>31) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>29) * 0x94d049bb133111eb
	return float64((h^h>>32)>>11) / (1 << 53)
}

// smooth rises from 0 at a to 1 at b, without corners.
func smooth(a, b, x float64) float64 {
	t := math.Min(1, math.Max(0, (x-a)/(b-a)))
	return t * t * (3 - 2*t)
}

// An rgb is a colour whose channels run from 0 to 1.
type rgb [3]float64

func (c rgb) plus(d rgb) rgb { return rgb{c[0] + d[0], c[1] + d[1], c[2] + d[2]} }

func (c rgb) times(f float64) rgb { return rgb{c[0] * f, c[1] * f, c[2] * f} }

// mix goes from c to d as f goes from 0 to 1.
func (c rgb) mix(d rgb, f float64) rgb { return c.times(1 - f).plus(d.times(f)) }

func (c rgb) color() color.RGBA {
	byteOf := func(v float64) uint8 { return uint8(math.Round(255 * math.Min(1, math.Max(0, v)))) }
	return color.RGBA{byteOf(c[0]), byteOf(c[1]), byteOf(c[2]), 255}
}

// gradient is the colour at t, from 0 to 1, of a row of colours.
func gradient(t float64, colours []rgb) rgb {
	t = math.Min(1, math.Max(0, t)) * float64(len(colours)-1)
	i := min(int(t), len(colours)-2)
	return colours[i].mix(colours[i+1], t-float64(i))
}
