#!/usr/bin/env tandem
/*! kept */
// dropped
/** dropped */
module.exports = () => 1; // dropped
