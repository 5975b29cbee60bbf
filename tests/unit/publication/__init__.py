"""Tests of publications without a warehouse."""
