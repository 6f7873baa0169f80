package law

// NumRules is the number of rules.
const NumRules = numRules
