package resource

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// response is the module that AWS gives to functions whose source is in the template.
//
//go:embed cfnresponse.py
var response string

// packaged is the code of a function as the API takes it. Source in the template
// becomes a package of index.py, beside it the module cfnresponse if it names it.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/cfn-lambda-function-code-cfnresponsemodule.html
func packaged(c *call) values {
	if source := standIn(c); source != "" {
		return values{"ZipFile": zipped(map[string]string{"index.py": source, "cfnresponse.py": response})}
	}
	code, ok := c.properties["Code"].(values)
	if !ok {
		return values{}
	}
	in := maps.Clone(code)
	if source, inline := code["ZipFile"]; inline {
		files := map[string]string{"index.py": value.Text(source)}
		if strings.Contains(value.Text(source), "cfnresponse") {
			files["cfnresponse.py"] = response
		}
		in["ZipFile"] = zipped(files)
	}
	return in
}

// zipped is a package whose bytes depend on nothing but the files.
func zipped(files map[string]string) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			panic("resource: a package cannot be written to memory: " + err.Error())
		}
	}
	if err := z.Close(); err != nil {
		panic("resource: a package cannot be written to memory: " + err.Error())
	}
	return out.Bytes()
}
