export let eval = 1;
