module hallmark.dev/tools/admission-crds

go 1.26

// Nothing of these is built: their CRDs' schemas are what generated admission policies are held against.
require (
	github.com/kyverno/kyverno v1.19.1
	github.com/openshift/api v0.0.0-20260501191448-a49973eaef53
)
