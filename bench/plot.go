package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// plot is a picture of bars, or of lines when it has an axis.
type plot struct {
	title, unit string
	axis        []string // of lines: the places on it
	axisName    string
	series      []series
	decades     bool // of lines: the upright axis is logarithmic, from 1
}

// series is one bar, or one line with a value for each place; NaN leaves a gap.
type series struct {
	name   string
	values []float64
	ours   bool
}

var colours = []string{"#6b7280", "#d97706", "#059669", "#7c3aed", "#db2777", "#0891b2", "#65a30d"}

func (s series) colour(i int) string {
	if s.ours {
		return "#1d4ed8"
	}
	return colours[i%len(colours)]
}

const (
	plotWidth = 720
	plotLeft  = 150
	plotRight = 70
)

func (p plot) max() float64 {
	top := 0.0
	for _, s := range p.series {
		for _, v := range s.values {
			if !math.IsNaN(v) {
				top = max(top, v)
			}
		}
	}
	if top == 0 {
		return 1
	}
	return top
}

// svg is readable on a white and on a black page: it has its own ground.
func (p plot) svg() string {
	var b strings.Builder
	height := 60 + 26*len(p.series)
	if p.axis != nil {
		height = 360
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#111827">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n"+`<text x="12" y="22" font-size="14" font-weight="bold">%s</text>`+"\n", html.EscapeString(p.title))
	if p.axis == nil {
		p.bars(&b)
	} else {
		p.lines(&b)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func number(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func (p plot) bars(b *strings.Builder) {
	scale := float64(plotWidth-plotLeft-plotRight) / p.max()
	for i, s := range p.series {
		y := 40 + 26*i
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLeft-8, y+14, html.EscapeString(s.name))
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="20" fill="%s"/>`+"\n", plotLeft, y, s.values[0]*scale, s.colour(0))
		fmt.Fprintf(b, `<text x="%.1f" y="%d">%s %s</text>`+"\n", plotLeft+s.values[0]*scale+6, y+14, number(s.values[0]), html.EscapeString(p.unit))
	}
}

func (p plot) lines(b *strings.Builder) {
	const left, right, top, bottom = 60, 540, 50, 310
	x := func(i int) float64 {
		if len(p.axis) < 2 {
			return left
		}
		return left + float64(i)*(right-left)/float64(len(p.axis)-1)
	}
	highest := p.max()
	y := func(v float64) float64 { return bottom - v/highest*(bottom-top) }
	grid := []float64{0, highest / 4, highest / 2, highest * 3 / 4, highest}
	if p.decades {
		powers := math.Ceil(math.Log10(highest))
		y = func(v float64) float64 { return bottom - math.Log10(max(v, 1))/max(powers, 1)*(bottom-top) }
		grid = nil
		for i := range int(powers) + 1 {
			grid = append(grid, math.Pow10(i))
		}
	}
	for _, v := range grid {
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e5e7eb"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y(v), right, y(v), left-6, y(v)+4, number(v))
	}
	for i, name := range p.axis {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(i), bottom+18, html.EscapeString(name))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text><text x="12" y="40">%s</text>`+"\n",
		(left+right)/2, bottom+38, html.EscapeString(p.axisName), html.EscapeString(p.unit))
	for i, s := range p.series {
		var points []string
		for j, v := range s.values {
			if math.IsNaN(v) {
				continue
			}
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(j), y(v)))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(j), y(v), s.colour(i))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), s.colour(i))
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			right+20, top+20*i, s.colour(i), right+38, top+20*i+10, html.EscapeString(s.name))
	}
}
