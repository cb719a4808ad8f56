package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const vipClubFile = "demo/vip-club.yaml"

func TestTheVIPClubIsAppliedAndExportedAsItIs(t *testing.T) {
	onFreshDatabase(t)
	if out := run(t, "apply", "-f", vipClubFile, "--dry-run"); !strings.HasSuffix(out, "programme vip-club would be at version 1\n") {
		t.Errorf("a dry run: %s", out)
	}
	out := run(t, "apply", "-f", vipClubFile)
	for _, want := range []string{
		"  publishes 40 of golf-day as winter\n", "  publishes 12 of golf-day as winter, kept for diamond\n", "programme vip-club is at version 1\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	if again := run(t, "apply", "-f", vipClubFile); again != "programme vip-club is at version 1\n" {
		t.Errorf("again: %s", again)
	}
	if text := run(t, "export"); text != string(vipClub) {
		t.Errorf("exported: %s", text)
	}
	run(t, "verify")
}

// TestEveryNameInTheVIPClubIsInBothLanguages: English is no Chinese text, and Chinese no English one.
func TestEveryNameInTheVIPClubIsInBothLanguages(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(vipClubFile)
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	named := 0
	han := regexp.MustCompile(`\p{Han}`)
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		for i, child := range n.Content {
			if n.Kind != yaml.MappingNode {
				walk(child, path)
				continue
			}
			if i%2 == 1 {
				continue
			}
			name, value := child.Value, n.Content[i+1]
			if name != "names" && name != "terms" && name != "place" && name != "amenities" {
				walk(value, path+"."+name)
				continue
			}
			named++
			languages := make(map[string]string)
			if err := value.Decode(&languages); err != nil {
				t.Fatal(err)
			}
			if en, zh := languages["en"], languages["zh-Hans"]; len(languages) != 2 || en == "" || han.MatchString(en) || !han.MatchString(zh) {
				t.Errorf("line %d: %s.%s: %v", child.Line, path, name, languages)
			}
		}
	}
	walk(&root, "")
	if named < 80 {
		t.Errorf("%d names", named)
	}
}

// TestTheVIPClubHasFiveTiersAndEveryKindOfBenefit: the example shows what there is.
func TestTheVIPClubHasFiveTiersAndEveryKindOfBenefit(t *testing.T) {
	t.Parallel()
	for _, want := range []string{
		"lounges:", "entry:", "event:", "kept_for:", "organisation:", "plans:", "scores:", "soft_landing", "code: vip,", "code: silver,", "code: gold,", "code: platinum,", "code: diamond,",
		"kind: lounge", "kind: event", "kind: offer", "kind: gift", "kind: service",
		"kept:", "choose:", "priority:", "mix:", "points_and_cash:", "tier_parameters:", "when:", "open:", "regions:", "segments:",
		"coefficients:", "bonus:", "funded:", "group:", "goodwill:", "allotments:", "limits:", "draft: true",
	} {
		if !strings.Contains(string(vipClub), want) {
			t.Errorf("it has no %q", want)
		}
	}
	if err := validate(t, published(t), string(vipClub)); err != nil {
		t.Error(err)
	}
}
