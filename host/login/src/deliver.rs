//! Draws a code, words it, hands it to providers in order until one takes it.
