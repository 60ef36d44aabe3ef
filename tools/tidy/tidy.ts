/** The rules of this repository that no other tool has; see rules/. */
export {}
