// The decisions of a genotype as people edit them.
//
// Some are picks among what others left: blocks of the pool, outputs, the two blocks that one reads. Taken one by one, a
// change of the first would change what all later ones mean. So these are exchanged: what takes another's option gives
// it its own.

const BY_KIND = ["intermediate_level", "output_level"];

const isSameGroup = (one, other) => one.kind === other.kind && (BY_KIND.includes(one.kind) || (one.kind === "parent" && one.block === other.block));

/** Places in all options of what was picked one after the other among what was left. */
function placesOf(picks, numOptions) {
  const left = [...Array(numOptions).keys()];
  return picks.map((pick) => left.splice(pick, 1)[0]);
}

const picksOf = (places) => places.map((place, index) => place - places.slice(0, index).filter((earlier) => earlier < place).length);

/**
 * Groups of decisions that pick among the same options, in the order of the genotype. `options` are labels, `places` where
 * in them each decision of the group is.
 */
export function groupsOf(decisions) {
  const runs = [];
  for (const decision of decisions) {
    if (runs.length > 0 && isSameGroup(runs.at(-1)[0], decision)) runs.at(-1).push(decision);
    else runs.push([decision]);
  }
  let start = 0;
  return runs.map((run) => {
    const group = { kind: run[0].kind, blocks: run.map((each) => each.block), start, options: run[0].options, places: placesOf(run.map((each) => each.taken), run[0].options.length) };
    start += run.length;
    return group;
  });
}

export const genotypeOf = (groups) => groups.flatMap((group) => picksOf(group.places));

export const labelAt = (group, index) => group.options[group.places[index]];

/** What can be chosen at any decision of a group; equal options of a pool are one. */
export const choicesOf = (group) => [...new Set(group.options)];

/** Takes the option with this label at one decision of a group; who had it gets the one that was there. */
export function choose(group, index, label) {
  const { options, places } = group;
  if (labelAt(group, index) === label) return;
  const offered = [...options.keys()].filter((place) => options[place] === label);
  const nextWith = places.findIndex((place, other) => other > index && offered.includes(place));
  const wanted = places[nextWith] ?? offered.find((place) => !places.includes(place)) ?? offered[0];
  const holder = places.indexOf(wanted);
  if (holder >= 0) places[holder] = places[index];
  places[index] = wanted;
}

/** Options say what blocks are now; their order does not change. `decisions` are of the same architecture. */
export function relabel(groups, decisions) {
  for (const group of groups) group.options = decisions[group.start].options;
}
